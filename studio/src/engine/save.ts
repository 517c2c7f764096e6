/** Files that the page gives to its user. */

/** Hands a file to the browser's downloads. */
export function saveFile(name: string, content: Blob | Uint8Array): void {
  const blob = content instanceof Blob ? content : new Blob([content as Uint8Array<ArrayBuffer>]);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
