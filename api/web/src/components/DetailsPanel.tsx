import { memo } from 'react';
import { scoreText } from '../logic/marks';
import type { ModelUsed, Report, RouteTaken } from '../logic/wire';

const BASES: Readonly<Record<RouteTaken['basis'], string>> = {
  tags: 'by the attributes of the file',
  pixels: 'by its pixels',
  colour: 'by its colours',
  asked: 'because you said so',
};

/** What was analysed by which models, for whom they are made, and which were left out. */
export const DetailsPanel = memo(function DetailsPanel({ report }: { report: Report }) {
  const { image, route } = report;
  return (
    <section className="details" aria-labelledby="details-title">
      <h2 id="details-title">Models and image</h2>
      <p>{routeText(route)}</p>
      <ul className="models">
        {report.models.map((model) => (
          <Model key={model.name} model={model} />
        ))}
      </ul>
      {report.left_out.length > 0 && (
        <p className="hint">
          Left out:{' '}
          {report.left_out.map((one) => `${one.model} (${one.kinds.join(', ')})`).join('; ')}
        </p>
      )}
      <details>
        <summary>Image, versions and digests</summary>
        <dl>
          <Fact name="Size" value={`${image.width} × ${image.height} px, ${image.bits} bits`} />
          <Fact name="Format" value={image.kind} />
          <Fact name="SHA-256" value={image.sha256} />
          <Fact name="Report" value={report.id} />
          <Fact name="Lucency" value={report.lucency_version} />
          <Fact name="Time" value={`${Math.round(report.timings_ms.total)} ms`} />
          {report.models.map((model) => (
            <Fact key={model.name} name={`${model.name}, made`} value={model.created} />
          ))}
          {report.models.map((model) => (
            <Fact key={model.name} name={`${model.name}, SHA-256`} value={model.digest} />
          ))}
        </dl>
      </details>
    </section>
  );
});

function Model({ model }: { model: ModelUsed }) {
  const notes = [
    model.task,
    model.calibrated ? 'calibrated' : 'not calibrated: scores are an order, no more',
    model.licence,
    !model.commercial_use && 'not for commercial use',
  ];
  return (
    <li>
      <strong>{model.name}</strong>
      <p>{model.intended_use}</p>
      <p className="hint">{notes.filter(Boolean).join(' · ')}</p>
    </li>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function routeText(route: RouteTaken | null): string {
  if (route === null) return 'Every loaded model saw this image.';
  const sure = route.probability === null ? '' : ` (${scoreText(route.probability)})`;
  return `Taken for a radiograph of the kind ${route.kind}, ${BASES[route.basis]}${sure}.`;
}
