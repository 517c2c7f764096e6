/** Writes into the page what was computed, or why it was not. */
import { compare } from './compare.js';

const output = document.querySelector('output') as HTMLOutputElement;
try {
  output.textContent = JSON.stringify(await compare());
} catch (error) {
  output.textContent = String(error);
}
