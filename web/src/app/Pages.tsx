import { Modal } from "@mantine/core";
import { useEffect } from "react";
import { DropLayer } from "../library/DropLayer";
import { closePage, type PageName, usePages } from "../parts/pages";
import { followTitle } from "./followTitle";
import { bindGlobalKeys } from "./globalKeys";
import { Help } from "./Help";
import { KeyboardMap } from "./KeyboardMap";
import { Models } from "./Models";

const PAGES: { [name in PageName]: { title: string; size: number; content(): React.ReactNode } } = {
  help: { title: "How this works", size: 620, content: Help },
  keyboard: { title: "Keyboard", size: 760, content: KeyboardMap },
  models: { title: "Models", size: 620, content: Models },
};

/** What lies over the studio: help, the keyboard map, the models, and files that are brought in. */
export function Pages() {
  const page = usePages((state) => state.page);
  useEffect(bindGlobalKeys, []);
  useEffect(followTitle, []);
  return (
    <>
      {Object.entries(PAGES).map(([name, { title, size, content: Content }]) => (
        <Modal
          key={name}
          opened={page === name}
          onClose={closePage}
          title={title}
          size={size}
          closeButtonProps={{ "aria-label": "Close" }}
        >
          <Content />
        </Modal>
      ))}
      <DropLayer />
    </>
  );
}
