import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { thirdPartyLicences } from './third-party-licences.ts';

// Addresses are relative, so that the page also works below a path of a proxy. Nothing that changes
// from one build to the next goes into the output: CI builds it again and compares.
export default defineConfig({
  base: './',
  plugins: [react(), thirdPartyLicences()],
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { input: ['index.html', 'docs.html'] },
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:8000', '/openapi.json': 'http://127.0.0.1:8000' } },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
