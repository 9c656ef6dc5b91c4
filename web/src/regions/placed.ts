import { isEmpty, maskOf } from "../canvas/layers";
import { allFetched } from "../canvas/sync";
import type { Placed } from "../wire";
import { regionsNow, wired } from "./edit";

/** The regions of the session that is looked at, with their masks, for another one to begin with. */
export async function placedRegions(): Promise<Placed[]> {
  await allFetched();
  return regionsNow().map((region) => ({
    region: { ...region, mask: null },
    mask: isEmpty(region.id) ? null : wired(maskOf(region.id)),
  }));
}
