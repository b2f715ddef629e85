import { useEffect, useRef, useState } from 'react';

/** Takes files that are dropped anywhere on the page; tells whether some hover over it. */
export function useDrop(onFiles: (files: File[]) => void): boolean {
  const latest = useRef(onFiles);
  latest.current = onFiles;
  const [over, setOver] = useState(false);
  useEffect(() => {
    const brings = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const hover = (event: DragEvent) => {
      if (!brings(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!brings(event)) return;
      event.preventDefault();
      setOver(false);
      latest.current([...event.dataTransfer!.files]);
    };
    window.addEventListener('dragover', hover);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', hover);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, []);
  return over;
}
