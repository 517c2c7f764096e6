/** What each operation of a pickle does (https://github.com/python/cpython/blob/main/Lib/pickletools.py). */
import {
  indexLine,
  integerIn,
  integerLine,
  latin1,
  numberLine,
  quotedLine,
  textIn,
  unicodeLine,
} from './pickle-literals.js';
import type { PickleMachine } from './pickle-machine.js';
import { kindOf, type PickleValue, refused } from './pickle-values.js';

type Operation = (machine: PickleMachine) => void;

/** Ends a pickle. */
export const STOP = 0x2e;

const HIGHEST_PROTOCOL = 5;

const constant =
  (value: PickleValue): Operation =>
  (machine) =>
    machine.push(value);
const unsigned =
  (bytes: number): Operation =>
  (machine) =>
    machine.push(machine.count(bytes));
/** @param bytes that hold the length. */
const text =
  (bytes: number): Operation =>
  (machine) =>
    machine.push(textIn(machine.take(machine.count(bytes)), machine.source));
const binary =
  (bytes: number): Operation =>
  (machine) =>
    machine.push(machine.take(machine.count(bytes)).slice());
const integer =
  (bytes: number): Operation =>
  (machine) =>
    machine.push(integerIn(machine.take(machine.count(bytes)), machine.source));
const tuple =
  (length: number): Operation =>
  (machine) =>
    machine.push(machine.popMany(length));
/** An operation that would make an object in a way that tensors and plain containers do not need. */
const refusing =
  (what: string): Operation =>
  (machine) => {
    throw refused(what, machine.source);
  };

const dict: Operation = (machine) => {
  const items = machine.popMark();
  machine.push(new Map());
  machine.setItems(items);
};

const refuseInstance: Operation = ({ cursor, source }) => {
  throw refused(`${latin1(cursor.line())}.${latin1(cursor.line())}`, source);
};

const refuseObject: Operation = (machine) => {
  throw refused(`a call of ${kindOf(machine.popMark()[0])}`, machine.source);
};

const requireProtocol: Operation = (machine) => {
  const protocol = machine.count(1);
  if (protocol > HIGHEST_PROTOCOL) {
    throw machine.bad(`it has protocol ${protocol}; read are those up to ${HIGHEST_PROTOCOL}`);
  }
};

/** In the order of Python's pickletools. */
const BY_CHARACTER: readonly [string, Operation][] = [
  ['I', (machine) => machine.push(integerLine(machine.cursor.line(), machine.source))],
  ['J', (machine) => machine.push(machine.count(4) | 0)],
  ['K', unsigned(1)],
  ['M', unsigned(2)],
  ['L', (machine) => machine.push(integerLine(machine.cursor.line(), machine.source))],
  ['\x8a', integer(1)],
  ['\x8b', integer(4)],
  ['S', (machine) => machine.push(quotedLine(machine.cursor.line(), machine.source))],
  ['T', text(4)],
  ['U', text(1)],
  ['B', binary(4)],
  ['C', binary(1)],
  ['\x8e', binary(8)],
  ['\x96', binary(8)],
  ['\x97', refusing('a buffer outside the pickle')],
  ['\x98', refusing('a buffer outside the pickle')],
  ['N', constant(null)],
  ['\x88', constant(true)],
  ['\x89', constant(false)],
  ['V', (machine) => machine.push(unicodeLine(machine.cursor.line()))],
  ['\x8c', text(1)],
  ['X', text(4)],
  ['\x8d', text(8)],
  ['F', (machine) => machine.push(numberLine(machine.cursor.line(), machine.source))],
  ['G', (machine) => machine.push(new DataView(machine.take(8).slice().buffer).getFloat64(0))],
  [']', (machine) => machine.push([])],
  ['a', (machine) => machine.append(machine.popMany(1))],
  ['e', (machine) => machine.append(machine.popMark())],
  ['l', (machine) => machine.push(machine.popMark())],
  [')', (machine) => machine.push([])],
  ['t', (machine) => machine.push(machine.popMark())],
  ['\x85', tuple(1)],
  ['\x86', tuple(2)],
  ['\x87', tuple(3)],
  ['}', (machine) => machine.push(new Map())],
  ['d', dict],
  ['s', (machine) => machine.setItems(machine.popMany(2))],
  ['u', (machine) => machine.setItems(machine.popMark())],
  ['\x8f', (machine) => machine.push(new Set())],
  ['\x90', (machine) => machine.add(machine.popMark())],
  ['\x91', (machine) => machine.push(new Set(machine.popMark()))],
  ['0', (machine) => machine.discard()],
  ['2', (machine) => machine.push(machine.top())],
  ['(', (machine) => machine.mark()],
  ['1', (machine) => void machine.popMark()],
  ['g', (machine) => machine.get(indexLine(machine.cursor.line(), machine.source))],
  ['h', (machine) => machine.get(machine.count(1))],
  ['j', (machine) => machine.get(machine.count(4))],
  ['p', (machine) => machine.put(indexLine(machine.cursor.line(), machine.source))],
  ['q', (machine) => machine.put(machine.count(1))],
  ['r', (machine) => machine.put(machine.count(4))],
  ['\x94', (machine) => machine.put()],
  ['\x82', refusing('a class of the extension registry')],
  ['\x83', refusing('a class of the extension registry')],
  ['\x84', refusing('a class of the extension registry')],
  ['c', (machine) => machine.name(latin1(machine.cursor.line()), latin1(machine.cursor.line()))],
  ['\x93', (machine) => machine.name(...(machine.popMany(2) as [PickleValue, PickleValue]))],
  ['R', (machine) => machine.call()],
  ['b', (machine) => machine.setState()],
  ['i', refuseInstance],
  ['o', refuseObject],
  ['\x81', (machine) => machine.call()],
  ['\x92', refusing('an object that is made with keyword arguments')],
  ['\x80', requireProtocol],
  ['\x95', (machine) => void machine.take(8)],
  ['P', refusing('a persistent id as text')],
  ['Q', (machine) => machine.storage()],
];

/** By the first byte. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map(
  BY_CHARACTER.map(([character, operation]) => [character.charCodeAt(0), operation]),
);
