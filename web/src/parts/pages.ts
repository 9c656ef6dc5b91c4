// Which of the pages that lie over the studio is open.

import { create } from "zustand";

export type PageName = "help" | "keyboard" | "models";

export const usePages = create<{ page: PageName | null }>(() => ({ page: null }));

export function openPage(page: PageName): void {
  usePages.setState({ page });
}

export function closePage(): void {
  usePages.setState({ page: null });
}
