import type { Tool } from '../state/usePointer';
import { IconButton } from './IconButton';

interface Props {
  readonly tool: Tool;
  readonly inverted: boolean;
  readonly heat: boolean;
  /** Whether there is a heat map to show. */
  readonly anyHeat: boolean;
  /** Whether boxes can be drawn: once the image is analysed. */
  readonly drawable: boolean;
  readonly onTool: (tool: Tool) => void;
  readonly onZoom: (factor: number) => void;
  readonly onFit: () => void;
  readonly onActual: () => void;
  readonly onInvert: () => void;
  readonly onHeat: () => void;
  readonly onReset: () => void;
}

export const ZOOM_STEP = 1.25;

/** What can be done with the picture. */
export function Toolbar(props: Props) {
  const { tool, onTool, onZoom } = props;
  return (
    <div className="toolbar" role="toolbar" aria-label="Picture">
      <div className="group">
        <IconButton
          icon="hand"
          label="Pan"
          pressed={tool === 'pan'}
          onClick={() => onTool('pan')}
        />
        <IconButton
          icon="window"
          label="Window and level"
          shortcut="w"
          pressed={tool === 'window'}
          onClick={() => onTool(tool === 'window' ? 'pan' : 'window')}
        />
        <IconButton
          icon="draw"
          label="New box"
          shortcut="n"
          pressed={tool === 'draw'}
          disabled={!props.drawable}
          onClick={() => onTool(tool === 'draw' ? 'pan' : 'draw')}
        />
      </div>
      <div className="group">
        <IconButton
          icon="out"
          label="Zoom out"
          shortcut="-"
          onClick={() => onZoom(1 / ZOOM_STEP)}
        />
        <IconButton icon="in" label="Zoom in" shortcut="+" onClick={() => onZoom(ZOOM_STEP)} />
        <IconButton icon="fit" label="Fit" shortcut="f" onClick={props.onFit} />
        <IconButton icon="actual" label="Pixel for pixel" shortcut="p" onClick={props.onActual} />
      </div>
      <div className="group">
        <IconButton
          icon="invert"
          label="Invert"
          shortcut="i"
          pressed={props.inverted}
          onClick={props.onInvert}
        />
        <IconButton
          icon="heat"
          label="Heat map"
          shortcut="h"
          pressed={props.heat}
          disabled={!props.anyHeat}
          onClick={props.onHeat}
        />
        <IconButton icon="reset" label="Reset" shortcut="0" onClick={props.onReset} />
      </div>
    </div>
  );
}
