/** Loaded before a program and into its worker: a clock that is set back, again and again, by up to ten years at a time. */
const { now } = Date;
let behind = 0;
let next = 0;

Date.now = () => {
  const present = now();
  if (present > next) {
    behind += Math.random() * 3.2e11 * Math.random() ** 4;
    next = present + 200 * Math.random();
  }
  return Math.round(present - behind);
};
const Real = Date;
globalThis.Date = /** @type {any} */ (
  new Proxy(Real, {
    construct: (target, args) => (args.length === 0 ? new target(Real.now()) : Reflect.construct(target, args)),
    apply: (target) => new target(Real.now()).toString(),
  })
);
