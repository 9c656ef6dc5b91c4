import { Modal } from "@mantine/core";
import { closePage, usePages } from "./pages";

/** Help, the keyboard map and the model folder, over the studio. */
export function Pages() {
  const page = usePages((state) => state.page);
  return (
    <Modal opened={page !== null} onClose={closePage} title={page} closeButtonProps={{ "aria-label": "Close" }}>
      {page}
    </Modal>
  );
}
