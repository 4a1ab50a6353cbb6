/** The part of the DOM that the page uses. The project is compiled without types of browsers. */

export interface PageElement {
  textContent: string | null;
  value: string;
  checked: boolean;
  hidden: boolean;
  scrollTop: number;
  readonly clientHeight: number;
  readonly clientWidth: number;
  readonly style: { setProperty(name: string, value: string): void };
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
  focus(options?: { readonly preventScroll: boolean }): void;
  select(): void;
}

export interface PageEvent {
  readonly key: string;
  readonly target: unknown;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  preventDefault(): void;
}

declare const document: {
  title: string;
  getElementById(id: string): PageElement | null;
  createElement(name: string): PageElement;
  createElementNS(namespace: string, name: string): PageElement;
  execCommand(command: string): boolean;
};

declare const window: {
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
  requestAnimationFrame(draw: () => void): number;
};

declare const navigator: {
  readonly clipboard?: { writeText(text: string): Promise<void> };
};

export const page: typeof document = document;
export const view: typeof window = window;

/** The element with that id, which the skeleton in html.ts contains. */
export function byId(id: string): PageElement {
  return page.getElementById(id) as PageElement;
}

type Attributes = Readonly<Record<string, string | number>>;
type Children = readonly (PageElement | string)[];

/** Creates an HTML element. Texts become text nodes, never markup. */
export function html(
  name: string,
  attributes: Attributes = {},
  ...children: Children
): PageElement {
  return filled(page.createElement(name), attributes, children);
}

/** Creates an SVG element. */
export function svg(name: string, attributes: Attributes = {}, ...children: Children): PageElement {
  const element = page.createElementNS('http://www.w3.org/2000/svg', name);
  return filled(element, attributes, children);
}

function filled(element: PageElement, attributes: Attributes, children: Children): PageElement {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
  element.append(...children);
  return element;
}

/** Copies a text. Pages of files may have no clipboard interface; then a selection is copied. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard === undefined) throw new Error('no clipboard');
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = html('textarea', { readonly: '' });
    area.value = text;
    byId('replay').append(area);
    area.select();
    const isCopied = page.execCommand('copy');
    byId('replay').replaceChildren();
    return isCopied;
  }
}
