/** Ready-made students. */
export { DoubleConv, UNet, type UNetOptions } from './unet.js';
