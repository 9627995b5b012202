// The heights of the rows of a list, and the positions that follow from them. The height of a row that has
// never been shown is an estimate.

/** The number of spare rows in a new array, so that most additions copy nothing. */
const SPARE = 4_096;

export class Heights {
  /** The height of each row, from the first row on. */
  #heights = new Float64Array(SPARE);
  /** The position of each row's top edge, and of the list's end. */
  #tops = new Float64Array(SPARE + 1);
  length = 0;
  /** The positions up to this row are up to date. */
  #known = 0;

  /** @param {readonly number[]} heights */
  reset(heights) {
    this.length = 0;
    this.#known = 0;
    this.append(heights);
  }

  /** @param {readonly number[]} heights */
  append(heights) {
    this.#grow(heights.length, 0);
    this.#heights.set(heights, this.length);
    this.length += heights.length;
  }

  /** @param {readonly number[]} heights */
  prepend(heights) {
    this.#grow(heights.length, heights.length);
    this.#heights.set(heights, 0);
    this.length += heights.length;
    this.#known = 0;
  }

  /** Removes the first rows. @param {number} count */
  drop(count) {
    this.#heights.copyWithin(0, count, this.length);
    this.length -= count;
    this.#known = 0;
  }

  /** @param {number} more @param {number} shift How far the rows move back. */
  #grow(more, shift) {
    const needed = this.length + more;
    const old = this.#heights;
    if (needed > old.length) {
      this.#heights = new Float64Array(Math.max(needed + SPARE, 2 * old.length));
      this.#heights.set(old.subarray(0, this.length), shift);
      const tops = this.#tops;
      this.#tops = new Float64Array(this.#heights.length + 1);
      this.#tops.set(tops.subarray(0, this.length + 1));
    } else if (shift > 0) old.copyWithin(shift, 0, this.length);
  }

  /** Returns whether the height has changed. @param {number} index @param {number} height */
  set(index, height) {
    if (Math.abs((this.#heights[index] ?? 0) - height) < 0.5) return false;
    this.#heights[index] = height;
    this.#known = Math.min(this.#known, index);
    return true;
  }

  /** The position of the top edge of a row; for `length`, the end of the list. @param {number} index */
  top(index) {
    for (; this.#known < index; this.#known++)
      this.#tops[this.#known + 1] = (this.#tops[this.#known] ?? 0) + (this.#heights[this.#known] ?? 0);
    return this.#tops[index] ?? 0;
  }

  get total() {
    return this.top(this.length);
  }

  /** The row at a position. @param {number} y */
  at(y) {
    this.top(this.length);
    let low = 0;
    let high = Math.max(0, this.length - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#tops[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
