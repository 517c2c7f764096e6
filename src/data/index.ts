/**
 * Data sets, images and arrays, in memory and in files; in a browser, what needs no files.
 * @module globalperc/data
 */

export { type Content, writeAtomically } from '../files/index.js';
export * from './browser.js';
export type { Alpha } from './decoding.js';
export { ImageFolder, type ImageFolderOptions, PairedImageFolder, type PairedImageFolderOptions } from './folder.js';
export { type ReadImageOptions, readImage } from './image.js';
export type { OpenListener, OpenProgress, SkippedImage } from './image-store.js';
export type { Logger } from './logger.js';
export { type ContactSheet, type ContactSheetRow, contactSheet, encodePng } from './picture.js';
export { readStateDict } from './state-dict.js';
export { TensorBoardLogger, type TensorBoardLoggerOptions } from './tensorboard.js';
