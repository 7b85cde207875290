export interface Strict {
  readonly document: Document;
  /** Does something during which the page's own document is strict, too: not all of the terminal asks the one it was given. */
  during(work: () => void): void;
  dispose(): void;
}

/**
 * The document as the terminal sees it. The terminal writes its looks into style elements and style attributes, which the
 * page's policy forbids, since they could come from anybody; the same by the object model of styles is allowed. So a style
 * element of it is a stand-in that fills a sheet of the page, and style attributes go to the element's style.
 */
export function strictDocument(): Strict {
  const sheets = new Set<CSSStyleSheet>();
  const adopt = () => (document.adoptedStyleSheets = [...document.adoptedStyleSheets.filter((sheet) => !mine.has(sheet)), ...sheets]);
  const mine = new WeakSet<CSSStyleSheet>();

  const make = (tag: string, options?: ElementCreationOptions): HTMLElement => Document.prototype.createElement.call(document, tag, options);

  function styleElement(): HTMLElement {
    const element = make("span");
    const sheet = new CSSStyleSheet();
    let text = "";
    element.hidden = true;
    mine.add(sheet);
    sheets.add(sheet);
    adopt();
    Object.defineProperty(element, "textContent", {
      get: () => text,
      set(value: string) {
        text = value;
        sheet.replaceSync(value);
      },
    });
    element.remove = () => {
      sheets.delete(sheet);
      adopt();
      Element.prototype.remove.call(element);
    };
    return element;
  }

  function createElement(tag: string, options?: ElementCreationOptions): HTMLElement {
    if (tag === "style") return styleElement();
    const element = make(tag, options);
    element.setAttribute = (name: string, value: string) => {
      if (name === "style") element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, name, value);
    };
    return element;
  }

  const strict = new Proxy(document, {
    get(target, name) {
      if (name === "createElement") return createElement;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
  return {
    document: strict,
    during(work) {
      document.createElement = createElement as typeof document.createElement;
      try {
        work();
      } finally {
        delete (document as Partial<Document>).createElement; // that of the prototype is back
      }
    },
    dispose() {
      sheets.clear();
      adopt();
    },
  };
}
