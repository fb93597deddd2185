import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import express, { type Request, type Response, type Router } from 'express';
import type { OpenApiDocument } from './openapi';

/** The files of Swagger UI that the page needs; nothing else of the package is served. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/**
 * Everything comes from this server, so the page works without the internet. Swagger UI sets inline styles and uses
 * pictures from data URLs; scripts are files only.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ICTCore API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** `validatorUrl: null`: the page must not tell a server elsewhere that this one exists. */
const START = `window.ui = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

/**
 * The documentation, without credentials: `GET /openapi.json` and, for people, `GET /docs`. Addresses in the page are
 * relative, so the router may be mounted anywhere and stand behind a proxy.
 */
export function docsRouter(document: OpenApiDocument): Router {
  const router = express.Router({ strict: true });
  const json = JSON.stringify(document);
  const folder = path.dirname(require.resolve('swagger-ui-dist/package.json'));
  router.get('/openapi.json', (request, response) => send(request, response, 'application/json; charset=utf-8', json));
  router.get('/docs', (request, response) => {
    response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    send(request, response, 'text/html; charset=utf-8', PAGE);
  });
  router.get('/docs/', (_request, response) => response.redirect(301, '../docs'));
  router.get('/docs/start.js', (request, response) => send(request, response, 'text/javascript; charset=utf-8', START));
  for (const [name, type] of Object.entries(ASSETS)) {
    router.get(`/docs/${name}`, (_request, response) => {
      response.setHeader('Content-Type', type);
      response.setHeader('Cache-Control', 'public, max-age=86400');
      createReadStream(path.join(folder, name))
        .on('error', () => response.destroy())
        .pipe(response);
    });
  }
  return router;
}

function send(request: Request, response: Response, type: string, body: string): void {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
  response.setHeader('ETag', etag);
  response.setHeader('Cache-Control', 'no-cache');
  if (request.headers['if-none-match'] === etag) {
    response.status(304).end();
    return;
  }
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}
