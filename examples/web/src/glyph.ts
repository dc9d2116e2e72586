import { codesToValues, type SearchSpace } from "./anb";

export interface BlockShape {
  expansion: number;
  kernel: number;
  layers: number;
  se: boolean;
}

/** What is drawn of an architecture: one shape per block. */
export function shapes(codes: Uint8Array, space: SearchSpace): BlockShape[] {
  const values = codesToValues(codes, space);
  return space.blocks.map(({ name }) => ({
    expansion: Number(values[`${name}_e`]),
    kernel: Number(values[`${name}_k`]),
    layers: Number(values[`${name}_l`]),
    se: values[`${name}_se`] === true,
  }));
}

const HEIGHTS: Record<number, number> = { 1: 0.26, 4: 0.7, 6: 1 };

/** The bars of one block: SVG between x = 0 and the returned width, standing on `base`. */
function bars(shape: BlockShape, base: number, height: number, unit: number): { svg: string; width: number } {
  const width = (shape.kernel === 5 ? 3.2 : 1.7) * unit;
  const gap = unit;
  const tall = (HEIGHTS[shape.expansion] ?? shape.expansion / 6) * height;
  let svg = "";
  for (let layer = 0; layer < shape.layers; layer++) {
    const x = layer * (width + gap);
    const place = `x="${x.toFixed(1)}" y="${(base - tall).toFixed(1)}"`;
    svg += `<rect ${place} width="${width.toFixed(1)}" height="${tall.toFixed(1)}" rx="${Math.min(1.5, unit / 2)}"/>`;
    if (shape.se) {
      const cy = base - tall - unit * 1.3;
      svg += `<circle cx="${(x + width / 2).toFixed(1)}" cy="${cy.toFixed(1)}" r="${(unit * 0.62).toFixed(1)}"/>`;
    }
  }
  return { svg, width: shape.layers * (width + gap) - gap };
}

/** One block of the diagram. */
export function blockGlyph(shape: BlockShape): string {
  const { svg, width } = bars(shape, 62, 46, 4.4);
  const x = ((84 - width) / 2).toFixed(1);
  return `<svg viewBox="0 0 84 64" aria-hidden="true"><g transform="translate(${x} 0)">${svg}</g></svg>`;
}

/** A whole architecture in one small picture. */
export function miniGlyph(codes: Uint8Array, space: SearchSpace): string {
  let x = 1;
  let svg = "";
  for (const shape of shapes(codes, space)) {
    const block = bars(shape, 31, 24, 2.1);
    svg += `<g transform="translate(${x.toFixed(1)} 0)">${block.svg}</g>`;
    x += block.width + 6;
  }
  const width = Math.max(1, x - 5);
  return `<svg class="mini" viewBox="0 0 ${width.toFixed(0)} 33" width="${width.toFixed(0)}" height="33" aria-hidden="true"><path d="M0 32H${width.toFixed(0)}"/>${svg}</svg>`;
}
