import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const sea: MantineColorsTuple = [
  "#e6fafa",
  "#d3f0f0",
  "#a6dfdf",
  "#75cdcd",
  "#4fbebe",
  "#37b4b4",
  "#1f9c9c",
  "#0b7f80",
  "#066c6d",
  "#005657",
];

export const theme = createTheme({
  primaryColor: "sea",
  primaryShade: 7,
  colors: { sea },
  autoContrast: true,
  luminanceThreshold: 0.36,
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif",
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.9375rem", lg: "1.0625rem", xl: "1.25rem" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    Tooltip: {
      defaultProps: {
        openDelay: 400,
        multiline: true,
        maw: 280,
        withArrow: true,
        events: { hover: true, focus: true, touch: false },
      },
    },
    Textarea: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", checkIconPosition: "right", allowDeselect: false } },
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } }, // an empty element that a menu may not have
    Modal: { defaultProps: { transitionProps: { duration: 120 } } },
    Slider: { defaultProps: { size: "sm", label: null } },
  },
});

/** Mantine's own quiet greys, and its red, are too faint to be read by everybody (WCAG AA) on our panels. */
export const readableColours: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#5b636b",
    "--mantine-color-placeholder": "#6a727a",
    "--mantine-color-error": "#c92a2a",
  },
  dark: {
    "--mantine-color-dimmed": "#a3a8ad",
    "--mantine-color-placeholder": "#8f959b",
    "--mantine-color-error": "#ff8787",
    // nearly black on black otherwise, fainter than what cannot be used
    "--mantine-color-sea-light": "#0c4a4b",
    "--mantine-color-sea-light-hover": "#0e5758",
  },
});
