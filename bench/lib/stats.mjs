// The few statistics that a noisy machine allows: order statistics, and ratios of pairs.

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

/** The middle half's width as a share of the median: at 0.04 half of the rounds lie within 4 %. */
export function spread(values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/**
 * The median of the ratios of what was measured side by side. Noise that lasts longer than a round
 * hits both sides of a pair and cancels; in a ratio of two medians it does not.
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
