import { useFrames } from "../session/frames";
import { useSession } from "../session/store";

/** The picture as it emerges. */
export function Stage() {
  const frame = useFrames((state) => state.newest);
  const id = useSession((state) => state.id);
  return id && frame ? <img src={frame.url} alt="" width={512} /> : null;
}
