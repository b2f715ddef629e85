import { describe, expect, it } from 'vitest';
import { ServiceError } from '../src/logic/problems';
import { makeService, NOTHING_ASKED } from '../src/logic/service';
import { report } from './stand-ins';

const FILE = new File(['x'], 'Doe^Jane.dcm');

function answering(response: Response | Error, key: string | null = null) {
  const asked: { path: string; init: RequestInit | undefined }[] = [];
  const fetching = (path: unknown, init?: RequestInit) => {
    asked.push({ path: String(path), init });
    return response instanceof Error ? Promise.reject(response) : Promise.resolve(response);
  };
  return { service: makeService(() => key, fetching as typeof fetch), asked };
}

describe('analyze', () => {
  it('asks once for everything that the page filters, and keeps the words of the answer', async () => {
    const text = JSON.stringify(report());
    const { service, asked } = answering(new Response(text));
    const analysis = await service.analyze(FILE, NOTHING_ASKED, 0.01);
    expect(asked[0]?.path).toBe('v1/analyze?conf=0.01&heatmap=true&max_detections=300');
    expect(analysis.text).toBe(text);
    expect(analysis.report.id).toBe('abc');
  });

  it('passes on kind and frame', async () => {
    const { service, asked } = answering(new Response('{}'));
    await service.analyze(FILE, { kind: 'chest', frame: 3 }, 0.01);
    expect(asked[0]?.path).toContain('kind=chest&frame=3');
  });

  it('sends no file name', async () => {
    const { service, asked } = answering(new Response('{}'));
    await service.analyze(FILE, NOTHING_ASKED, 0.01);
    const sent = (asked[0]?.init?.body as FormData).get('file') as File;
    expect(sent.name).toBe('image');
  });
});

it('what cannot be read is not sent', async () => {
  const { service, asked } = answering(new Response('{}'));
  const folder = new File([], 'hands');
  folder.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) as never;
  await expect(service.pixels(folder, null, 64)).rejects.toMatchObject({ code: 'unreadable_file' });
  expect(asked).toEqual([]);
});

it('pixels asks for a frame and a size', async () => {
  const headers = Object.fromEntries(
    ['Width', 'Height', 'Stored-Width', 'Stored-Height', 'Bits', 'Window-Low', 'Window-High'].map(
      (name) => [`Lucency-${name}`, '1'],
    ),
  );
  const answer = new Response(new Uint16Array([7]), {
    headers: { ...headers, 'Lucency-Inverted': '1' },
  });
  const { service, asked } = answering(answer);
  const image = await service.pixels(FILE, 2, 2048);
  expect(asked[0]?.path).toBe('v1/pixels?longest_side=2048&frame=2');
  expect(image).toMatchObject({ width: 1, inverted: true });
});

it('the key goes along, where there is one', async () => {
  const { service, asked } = answering(new Response('{"models": []}'), 'secret');
  await service.models();
  expect(asked[0]?.init?.headers).toEqual({ Authorization: 'Bearer secret' });
});

describe('refusals', () => {
  const refused = async (response: Response | Error) => {
    const { service } = answering(response);
    return service
      .models()
      .catch((error: unknown) => error as ServiceError) as Promise<ServiceError>;
  };

  it('keep code, fault and waiting time', async () => {
    const body = JSON.stringify({ error: { code: 'overloaded', message: 'Busy.', fault: 'f' } });
    const error = await refused(
      new Response(body, { status: 503, headers: { 'Retry-After': '2' } }),
    );
    expect(error).toMatchObject({ status: 503, code: 'overloaded', fault: 'f', retryAfter: 2 });
  });

  it('of a proxy are told by their status', async () => {
    const error = await refused(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }));
    expect(error).toMatchObject({ code: 'unknown', message: 'The answer was 502 Bad Gateway' });
  });

  it('of no service at all have a code, too', async () => {
    expect(await refused(new TypeError('failed'))).toMatchObject({ status: 0, code: 'no_answer' });
  });
});

it('feedback sends the words and the image', async () => {
  const { service, asked } = answering(new Response('{"id": "f1"}', { status: 201 }));
  const feedback = { report_id: 'abc', image: report().image, boxes: [], comment: '' };
  expect(await service.feedback(feedback, FILE)).toBe('f1');
  const form = asked[0]?.init?.body as FormData;
  expect(JSON.parse(String(form.get('feedback')))).toEqual(feedback);
  expect(form.get('file')).toBeInstanceOf(File);
});
