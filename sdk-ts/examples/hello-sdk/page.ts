/** Makes the page. The greeting is foreign text and is escaped; the colour is taken only in the form #rrggbb. */
export function renderPage(page: { greeting: string; color: string }): string {
  const greeting = page.greeting.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const color = /^#[0-9a-fA-F]{6}$/.test(page.color) ? page.color : "#b5442c";
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${greeting}</title>
    <style>
      body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.25rem/1.5 system-ui, sans-serif;
             color: #fff; background: ${color}; text-align: center; }
      h1 { font-size: clamp(2rem, 8vw, 5rem); line-height: 1.1; margin: 0 1rem 1rem; overflow-wrap: anywhere; }
      p { margin: 0 1rem; opacity: .85; }
    </style>
  </head>
  <body>
    <main>
      <h1 id="greeting">${greeting}</h1>
      <p>This page is served by a package on your own server.</p>
    </main>
  </body>
</html>
`;
}
