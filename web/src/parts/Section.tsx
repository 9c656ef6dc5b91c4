import { ActionIcon, Collapse, Group, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconChevronRight } from "@tabler/icons-react";
import { type ReactNode, useId } from "react";
import classes from "./Section.module.css";

interface SectionProps {
  title: string;
  /** Buttons beside the title. */
  actions?: ReactNode;
  /** Folded away until the person opens it; remembered. */
  folded?: boolean;
  children: ReactNode;
}

/** A part of a panel under a heading that folds. */
export function Section({ title, actions, folded = false, children }: SectionProps) {
  const [isOpen, setOpen] = useLocalStorage({ key: `ildm-section-${title}`, defaultValue: !folded });
  const id = useId();
  return (
    <section className={classes.section} aria-labelledby={`${id}-title`}>
      <Group justify="space-between" wrap="nowrap" gap={4} className={classes.head}>
        <UnstyledButton
          className={classes.title}
          onClick={() => setOpen(!isOpen)}
          aria-expanded={isOpen}
          aria-controls={id}
        >
          <IconChevronRight size={14} className={classes.chevron} data-open={isOpen || undefined} aria-hidden />
          <Text component="h2" size="sm" fw={600} id={`${id}-title`}>
            {title}
          </Text>
        </UnstyledButton>
        {actions}
      </Group>
      <Collapse expanded={isOpen} id={id} transitionDuration={120}>
        <div className={classes.body}>{children}</div>
      </Collapse>
    </section>
  );
}

interface IconActionProps {
  label: string;
  /** What a newcomer wants to know of it; the label where there is nothing to say. */
  tip?: string;
  children: ReactNode;
  onClick(): void;
  disabled?: boolean;
  active?: boolean;
  color?: string;
}

/** A button that is an icon: labelled, with a tooltip. */
export function IconAction({ label, tip, children, onClick, disabled, active, color }: IconActionProps) {
  return (
    <Tooltip label={tip ?? label}>
      <ActionIcon
        aria-label={label}
        aria-pressed={active}
        variant={active ? "filled" : "subtle"}
        color={active ? "sea" : (color ?? "gray")}
        onClick={onClick}
        disabled={disabled}
      >
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
