import { Catalog, loadPure, type PureSurrogate, SearchSpace } from "../anb";
import type { TargetInfo } from "./protocol";

/** What the page says of a target. */
export function infoOf(surrogate: PureSurrogate, own: boolean): TargetInfo {
  const { nMembers: members, metadata, target } = surrogate;
  return { ...target, exact: metadata.exact === true, members, own };
}

/** Load the targets of files that were given, by the checks of those that the page comes with. */
export async function loadGiven(
  files: ReadonlyMap<string, Uint8Array>,
  space: SearchSpace,
  taken: (name: string) => boolean,
): Promise<PureSurrogate[]> {
  const catalog = await Catalog.fromFiles(files);
  if (!sameSpace(catalog.space, space)) {
    throw new Error(`it is of the search space ${catalog.space.name}, the page of ${space.name}`);
  }
  const listed = new Map(catalog.targets.map((target) => [catalog.cards[target.name].file, target]));
  const surrogates: PureSurrogate[] = [];
  for (const file of files.keys()) {
    if (!file.endsWith(".onnx")) continue;
    const target = listed.get(file);
    if (!target) throw new Error(`${file} is not listed in the manifest.json beside it`);
    if (taken(target.name)) throw new Error(`the page has a target ${target.name} already`);
    surrogates.push(await loadPure(target.name, { artifacts: catalog }));
  }
  return surrogates;
}

/** Whether two spaces have the same name, blocks, genes and choices. */
export function sameSpace(a: SearchSpace, b: SearchSpace): boolean {
  const plain = ({ name, blocks }: SearchSpace) => JSON.stringify([name, blocks.map((block) => [block.name, block.genes.map((gene) => [gene.name, gene.choices])])]);
  return plain(a) === plain(b);
}
