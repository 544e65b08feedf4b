import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { durationProblem, formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['1m', 60_000],
    ['01m', 60_000],
    ['60s', 60_000],
    ['1m30s', 90_000],
    ['1m1h', 3_660_000],
    ['1h', 3_600_000],
    ['0.5m', 30_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['1ms', 1],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['1.9ns', 0.000001],
    ['0', 0],
    ['0s', 0],
    ['-5s', -5000],
    ['+5s', 5000],
    ['2562047h47m16.854775807s', 9223372036854.775],
  ])('reads %s as Go does', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(durationProblem(text)).toBeUndefined();
  });

  it.each([
    ['', 'time: invalid duration ""'],
    ['-', 'time: invalid duration "-"'],
    ['.', 'time: invalid duration "."'],
    ['.s', 'time: invalid duration ".s"'],
    ['s', 'time: invalid duration "s"'],
    ['90', 'time: missing unit in duration "90"'],
    ['1.5.5s', 'time: missing unit in duration "1.5.5s"'],
    ['1 m', 'time: unknown unit " m" in duration "1 m"'],
    ['10sfoo', 'time: unknown unit "sfoo" in duration "10sfoo"'],
    ['2min', 'time: unknown unit "min" in duration "2min"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['1m30', 'time: missing unit in duration "1m30"'],
    ['2562047h47m16.854775808s', 'time: invalid duration "2562047h47m16.854775808s"'],
  ])('refuses "%s" in the words of Go', (text, problem) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(durationProblem(text)).toBe(problem);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [60_000, '1m0s'],
    [90_000, '1m30s'],
    [600_000, '10m0s'],
    [3_600_000, '1h0m0s'],
    [90_000_000, '25h0m0s'],
    [1500, '1.5s'],
    [250, '250ms'],
    [1.5, '1.5ms'],
    [0.0015, '1.5µs'],
    [0.000001, '1ns'],
    [-90_000, '-1m30s'],
  ])('prints %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('prints what it can read again', () => {
    fc.assert(fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});
