import { Modal } from "@mantine/core";
import { useSession } from "../session/store";
import { Choosing } from "./Choosing";
import { compare, useComparing } from "./comparing";
import { Pair } from "./Pair";
import { Several } from "./Several";

const close = () => compare(null);

/** The pages over the studio on which states are compared. */
export function Compared() {
  const now = useComparing((state) => state.now);
  const view = useSession((state) => state.view);
  if (!now || !view) return null;
  if (now.page === "choose") return <Choosing view={view} step={now.step} onClose={close} />;
  return (
    <Modal
      opened
      fullScreen
      onClose={close}
      title={now.page === "pair" ? "Compare" : "Several settings"}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {now.page === "pair" ? <Pair {...now} view={view} /> : <Several seq={now.seq} view={view} />}
    </Modal>
  );
}
