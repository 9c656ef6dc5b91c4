import { Button } from "@mantine/core";
import type { TablerIcon } from "@tabler/icons-react";

interface ToggleButtonProps {
  /** What it begins. */
  label: string;
  icon: TablerIcon;
  isOn: boolean;
  size?: "xs" | "sm";
  onToggle: () => void;
}

/** Begins something that goes on until it is pressed again. */
export function ToggleButton({ label, icon: Icon, isOn, size = "xs", onToggle }: ToggleButtonProps) {
  return (
    <Button
      flex={1}
      size={size}
      variant={isOn ? "filled" : "light"}
      leftSection={<Icon size={size === "xs" ? 14 : 16} />}
      aria-pressed={isOn}
      onClick={onToggle}
    >
      {isOn ? "Done" : label}
    </Button>
  );
}
