// Statistics for noisy machines: order statistics, and ratios of pairs.

/** The q-quantile by linear interpolation (type 7 of Hyndman and Fan, 1996). */
export function quantile(values, q) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

export const median = (values) => quantile(values, 0.5);

/** The interquartile range as a share of the median: 0.04 means half of the rounds within 4 %. */
export function spread(values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/**
 * The median of the ratios within rounds. Noise that lasts longer than a round affects both values
 * of a pair and cancels out; in a ratio of two medians it does not.
 */
export function pairedRatio(values, reference) {
  const pairs = Math.min(values.length, reference.length);
  const ratios = [];
  for (let i = 0; i < pairs; i++) {
    if (values[i] !== undefined && reference[i] !== undefined)
      ratios.push(values[i] / reference[i]);
  }
  return median(ratios);
}
