/** Take a picture that was dropped on the page. */
export function takeFile(_file: File): void {}
