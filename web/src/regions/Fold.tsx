import { Collapse, UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { type ReactNode, useId, useState } from "react";
import classes from "./Regions.module.css";

interface FoldProps {
  title: string;
  children: ReactNode;
  onClose?(): void;
}

/** A part of a panel that is folded away at first. */
export function Fold({ title, children, onClose }: FoldProps) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  return (
    <div>
      <UnstyledButton
        className={classes.fold}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => {
          if (isOpen) onClose?.();
          setOpen(!isOpen);
        }}
      >
        <IconChevronRight size={14} aria-hidden />
        {title}
      </UnstyledButton>
      <Collapse expanded={isOpen} id={id} transitionDuration={120}>
        {isOpen && children}
      </Collapse>
    </div>
  );
}
