// Keys that do something anywhere on the page. Whoever has a key binds it; the keyboard map lists what is bound.

import { create } from "zustand";
import { canonical, nameOf } from "./keys";

export interface Binding {
  key: string;
  label: string;
  group: string;
  /** null = only listed in the map: somebody else hears it. */
  run: ((event: KeyboardEvent) => void) | null;
  whileTyping: boolean;
}

const useRegistry = create<{ bindings: readonly Binding[] }>(() => ({ bindings: [] }));

/**
 * Have a key do something: "b", "Shift+B", "Mod+s", "ArrowLeft", "Space". The one bound last has it; what comes back lets it go.
 *
 * It is quiet while somebody types (`whileTyping` lets it through), while a dialog is open, and where something else used the key.
 */
export function bind(
  key: string,
  label: string,
  group: string,
  run: ((event: KeyboardEvent) => void) | null,
  { whileTyping = false } = {},
): () => void {
  const binding: Binding = { key: canonical(key), label, group, run, whileTyping };
  useRegistry.setState(({ bindings }) => ({ bindings: [...bindings, binding] }));
  return () => useRegistry.setState(({ bindings }) => ({ bindings: bindings.filter((one) => one !== binding) }));
}

/** All that is bound now, for the keyboard map. */
export function useBindings(): readonly Binding[] {
  return useRegistry((state) => state.bindings);
}

const TYPING =
  "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable=true]";
/** Words that have not been begun: only letters and digits are meant for them yet. */
const BLANK = "[data-blank]";
const BESIDE_WORDS = /^Mod\+|^[[\]{}]$/;
const PRESSABLE =
  "button, a[href], summary, input, [role=button], [role=tab], [role=switch], [role=option], [role=menuitem]";

const ARROWS = /^(ArrowLeft|ArrowRight|ArrowUp|ArrowDown|Home|End)$/;

/** Listen for the page's whole life. */
export function listenForKeys(): () => void {
  function heard(event: KeyboardEvent) {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const binding = useRegistry.getState().bindings.findLast((one) => one.key === name && one.run !== null);
    if (!binding?.run || !isOurs(event, binding)) return;
    event.preventDefault();
    binding.run(event);
  }
  window.addEventListener("keydown", heard);
  return () => window.removeEventListener("keydown", heard);
}

/** Whether a box may be given the focus unasked: on a tablet half the page would be covered, on a narrow one it is far from the stage. */
export function mayTakeFocus(): boolean {
  return matchMedia("(width >= 1000px) and (pointer: fine)").matches;
}

function isOurs(event: KeyboardEvent, { key, whileTyping }: Binding): boolean {
  const target = event.target instanceof Element ? event.target : null;
  if (document.querySelector('[aria-modal="true"]')) return false;
  const mayType = target?.closest(TYPING) && !(target.matches(BLANK) && BESIDE_WORDS.test(key));
  if (!whileTyping && mayType) return false;
  // the choices of a group are gone through by these
  if (ARROWS.test(key) && target?.closest("input[type=radio], [role=radiogroup]")) return false;
  // a button that has the focus is pressed by these
  return !((key === "Space" || key === "Enter") && target?.closest(PRESSABLE));
}
