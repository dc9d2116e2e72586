import { codesToValues, type SearchSpace, toCodes } from "./anb";

/** Rows of a table of architectures: indices, and columns of numbers. */
export interface Table {
  indices: ArrayLike<number>;
  columns: Record<string, ArrayLike<number>>;
}

/** Architectures as CSV: index, the 28 genes, and every column to the digits of a float32. */
export async function toCsv(table: Table, rows: ArrayLike<number>, space: SearchSpace): Promise<Blob> {
  const names = Object.keys(table.columns);
  const header = ["index", ...space.genes.map((gene) => gene.name), ...names];
  const parts = [`${header.map(cell).join(",")}\n`];
  for (let start = 0; start < rows.length; start += 4096) {
    let text = "";
    for (let r = start; r < Math.min(start + 4096, rows.length); r++) {
      const row = rows[r];
      const index = table.indices[row];
      const values = Object.values(codesToValues(toCodes(index, space), space));
      const numbers = names.map((name) => decimals(table.columns[name][row]));
      text += `${[index, ...values.map(cell), ...numbers].join(",")}\n`;
    }
    parts.push(text);
    await new Promise((resolve) => setTimeout(resolve)); // keeps the page alive
  }
  return new Blob(parts, { type: "text/csv" });
}

/** A float32 so that it is read as the same; nothing where there is none. */
function decimals(value: number): string {
  return Number.isNaN(value) ? "" : String(Number(value.toPrecision(9)));
}

/** A value as a cell: in quotation marks where it would be read as several. */
function cell(value: unknown): string {
  const text = String(value);
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
