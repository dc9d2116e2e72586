/** Reads the cases of architectures as text in a file, as tests/test_js.py makes them; prints those read otherwise. */

import { readFileSync } from "node:fs";
import { ArchitectureError, formatArchitecture, parseArchitecture, SearchSpace } from "anb-onnx";
import { parseObject } from "../dist/json.js"; // sizes of spaces are beyond 2^53

const { spaces } = parseObject(readFileSync(process.argv[2]), process.argv[2]);
for (const { space: document, valid, invalid, prints = [] } of spaces) {
  const space = SearchSpace.fromDocument(document);
  const read = (text) => {
    try {
      return String(parseArchitecture(text, space));
    } catch (error) {
      if (!(error instanceof ArchitectureError)) throw error;
      return `refused: ${error.message}`;
    }
  };
  for (const { text, codes } of [...valid, ...invalid]) {
    const found = read(text);
    if (codes ? found !== String(codes) : !found.startsWith("refused")) {
      console.log("WRONG", space.name, JSON.stringify(text), found, "expected", codes ?? "an error");
    }
  }
  for (const { codes, text } of prints) {
    const found = formatArchitecture(Uint8Array.from(codes), space);
    if (found !== text) console.log("WRONG", space.name, found, "expected", text);
  }
  console.log(`${space.name}\t${valid.length} valid\t${invalid.length} invalid`);
}
