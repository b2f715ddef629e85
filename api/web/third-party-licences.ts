import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

const LINE = '-'.repeat(100);

/** Writes the licences of every package whose code is in the bundle to THIRD_PARTY_LICENSES.txt. */
export function thirdPartyLicences(): Plugin {
  return {
    name: 'third-party-licences',
    apply: 'build',
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        const modules = chunk.type === 'chunk' ? chunk.moduleIds : chunk.originalFileNames;
        for (const id of modules) {
          const folder = packageFolder(id);
          if (folder !== null) folders.add(folder);
        }
      }
      const texts = [...folders].map(licenceOf).sort();
      const source = `The viewer contains code of these packages.\n\n${texts.join('\n')}`;
      this.emitFile({ type: 'asset', fileName: 'THIRD_PARTY_LICENSES.txt', source });
    },
  };
}

function packageFolder(id: string): string | null {
  const at = id.lastIndexOf('node_modules/');
  if (at < 0) return null;
  let folder = dirname(id.slice(id.startsWith('\0') ? 1 : 0));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

function licenceOf(folder: string): string {
  const facts = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license: string;
  };
  // Swagger UI's script is itself a bundle: its own list of licences goes along.
  const names = ['LICENSE', 'LICENSE.txt', 'NOTICE', 'swagger-ui-es-bundle.js.LICENSE.txt'];
  const texts = names
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8').trim());
  return `${LINE}\n${facts.name} ${facts.version} (${facts.license})\n\n${texts.join('\n\n')}\n`;
}
