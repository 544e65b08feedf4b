import { describe, expect, it } from '@jest/globals';
import type { CreateRouter } from '../../src/activities/routers/router.ts';
import type { Canary } from '../../src/schemas/canary.ts';
import type { Cookies, Traffic } from '../../src/workflows/domain/observation.ts';
import type { Affinity, CookieRule, RouterWorld } from './router-world.ts';

/** The parts of the router contract that not every provider can keep. */

type CreateWorld = () => Promise<RouterWorld>;

const start: Traffic = { primary: 100, canary: 0 };

export function mirroringContract(create: CreateRouter, world: CreateWorld): void {
  describe('mirroring', () => {
    const mirrored: Traffic = { primary: 100, canary: 0, mirrored: true };
    const mirror = async () => {
      const { deps, split, mirroring, ...rest } = await world();
      const copies = async () => mirroring!.copiesTo((await split!.route())!);
      return { ...rest, ...split!, router: create(deps), canary: mirroring!.canary, copies };
    };

    it('begins when asked for, not before', async () => {
      const { router, canary, copies } = await mirror();
      await router.ensure(canary, start);
      expect(await copies()).toBeUndefined();
      expect(await router.getWeights(canary)).toEqual(start);
      await router.setWeights(canary, mirrored);
      expect(await copies()).toBe('shop-canary');
      expect(await router.getWeights(canary)).toEqual(mirrored);
      expect(await router.drift(canary)).toEqual([]);
    });

    it('ends with the next weight', async () => {
      const { router, canary, copies } = await mirror();
      await router.ensure(canary, mirrored);
      await router.setWeights(canary, { primary: 90, canary: 10 });
      expect(await copies()).toBeUndefined();
      expect(await router.getWeights(canary)).toEqual({ primary: 90, canary: 10 });
    });

    it('goes on over a repair, and is not begun twice', async () => {
      const { router, canary, copies, tamper, stored } = await mirror();
      await router.ensure(canary, mirrored);
      await tamper();
      await router.ensure(canary, mirrored);
      expect(await copies()).toBe('shop-canary');
      const before = await stored();
      await router.setWeights(canary, mirrored);
      await router.ensure(canary, mirrored);
      expect(await stored()).toEqual(before);
    });
  });
}

export function matchingContract(create: CreateRouter, world: CreateWorld): void {
  describe('A/B testing', () => {
    const testing: Traffic = { primary: 0, canary: 100 };
    const ab = async () => {
      const { deps, split, matching, ...rest } = await world();
      const audiences = async () => matching!.audiences((await split!.route())!);
      return { ...rest, ...split!, router: create(deps), canary: matching!.canary, audiences };
    };

    it('sends requests that match to the canary, and back, and never any others', async () => {
      const { router, canary, audiences } = await ab();
      await router.ensure(canary, start);
      for (const traffic of [start, testing, start]) {
        await router.setWeights(canary, traffic);
        expect(await router.getWeights(canary)).toEqual(traffic);
        expect((await audiences()).matching).toEqual(traffic);
        expect((await audiences()).others.canary).toBeUndefined();
        expect(await router.drift(canary)).toEqual([]);
      }
    });

    it('goes on over a repair, and is not written twice', async () => {
      const { router, canary, audiences, tamper, stored } = await ab();
      await router.ensure(canary, testing);
      await tamper();
      await router.ensure(canary, testing);
      expect((await audiences()).matching).toEqual(testing);
      expect(await router.getWeights(canary)).toEqual(testing);
      const before = await stored();
      await router.setWeights(canary, testing);
      await router.ensure(canary, testing);
      expect(await stored()).toEqual(before);
    });

    it('follows a Canary that becomes an A/B test, and one that ceases to be', async () => {
      const { router, canary, audiences, edited } = await ab();
      await router.ensure(edited!, start);
      expect(await router.drift(canary)).not.toEqual([]);
      await router.ensure(canary, testing);
      expect((await audiences()).others.canary).toBeUndefined();
      await router.ensure(edited!, { primary: 90, canary: 10 });
      expect(await router.drift(edited!)).toEqual([]);
      expect(await router.getWeights(edited!)).toEqual({ primary: 90, canary: 10 });
    });
  });
}

export function affinityContract(create: CreateRouter, world: CreateWorld, { withPrimary }: Affinity): void {
  describe('session affinity', () => {
    const cookies: Cookies = { canary: 'sid=abcdefghij' };
    const over: Traffic = { ...start, cookies: { previous: 'sid=abcdefghij' } };
    const sticky = async (pick: (affinity: Affinity) => Canary = ({ canary }) => canary) => {
      const { deps, split, affinity, ...rest } = await world();
      const rules = async () => affinity!.rules((await split!.route())!);
      const visit = async (cookie: string) => met(await rules(), cookie);
      return { ...rest, ...split!, router: create(deps), canary: pick(affinity!), rules, visit };
    };

    it.each([10, 50, 100])('BC-35: keeps users of the canary there while it has %i percent', async (weight) => {
      const { router, canary, visit } = await sticky();
      await router.ensure(canary, { ...start, cookies: {} });
      await router.setWeights(canary, { primary: 100 - weight, canary: weight, cookies });
      const newcomer = await visit('theme=dark');
      expect(newcomer.weights).toEqual({ primary: 100 - weight, canary: weight });
      expect(newcomer.sets.canary).toMatch(/^sid=abcdefghij; Max-Age=\d+/);
      expect(newcomer.sets.primary).toBeUndefined();
      const returning = await visit('theme=dark; sid=abcdefghij');
      expect(returning.weights).toEqual({ primary: 0, canary: 100 });
      expect(returning.sets).toEqual({ primary: undefined, canary: undefined });
      expect(await router.getWeights(canary)).toEqual({ primary: 100 - weight, canary: weight });
      expect(await router.drift(canary)).toEqual([]);
    });

    it('BC-35: has users forget the cookie once the canary has nothing, and pins nobody', async () => {
      const { router, canary, visit } = await sticky();
      await router.ensure(canary, { primary: 0, canary: 100, cookies });
      await router.setWeights(canary, over);
      const returning = await visit('sid=abcdefghij');
      expect(returning.weights).toEqual(start);
      expect(returning.sets.primary).toBe('sid=abcdefghij; Max-Age=-1');
      const newcomer = await visit('theme=dark');
      expect(newcomer.weights).toEqual(start);
      expect(newcomer.sets).toEqual({ primary: undefined, canary: undefined });
      expect(await router.getWeights(canary)).toEqual(start);
      expect(await router.drift(canary)).toEqual([]);
    });

    it('has no rule for cookies before there are any', async () => {
      const { router, canary, rules } = await sticky();
      await router.ensure(canary, { ...start, cookies: {} });
      expect((await rules()).map(({ cookie }) => cookie)).toEqual([undefined]);
    });

    it.each<[string, Traffic]>([
      ['a release', { primary: 70, canary: 30, cookies }],
      ['the end of one', over],
    ])('puts the same rules back during %s, and writes nothing twice', async (_, traffic) => {
      const { router, canary, rules, tamper, stored } = await sticky();
      await router.ensure(canary, traffic);
      const before = await rules();
      const name = await tamper();
      expect(await router.drift(canary)).toEqual([name]);
      await router.ensure(canary, traffic);
      expect(await rules()).toEqual(before);
      const objects = await stored();
      await router.setWeights(canary, traffic);
      await router.ensure(canary, traffic);
      expect(await stored()).toEqual(objects);
    });

    it('gives the cookie of an earlier release no rule while there is a canary again', async () => {
      const { router, canary, visit } = await sticky();
      await router.ensure(canary, over);
      const next: Cookies = { previous: 'sid=abcdefghij', canary: 'sid=klmnopqrst' };
      await router.setWeights(canary, { primary: 90, canary: 10, cookies: next });
      expect((await visit('sid=abcdefghij')).weights).toEqual({ primary: 90, canary: 10 });
      expect((await visit('sid=klmnopqrst')).weights).toEqual({ primary: 0, canary: 100 });
    });

    it('takes the rules away together with the setting', async () => {
      const { router, canary, edited, rules } = await sticky();
      await router.ensure(canary, { primary: 70, canary: 30, cookies });
      expect(await router.drift(edited!)).not.toEqual([]);
      await router.ensure(edited!, { primary: 70, canary: 30 });
      expect((await rules()).map(({ cookie }) => cookie)).toEqual([undefined]);
      expect(await router.drift(edited!)).toEqual([]);
    });

    if (withPrimary) {
      it('keeps users of the primary there for an interval', async () => {
        const { router, canary, visit } = await sticky((affinity) => affinity.withPrimary!);
        const both: Cookies = { ...cookies, primary: 'pid=zyxwvutsrq' };
        await router.ensure(canary, { primary: 50, canary: 50, cookies: both });
        expect((await visit('pid=zyxwvutsrq')).weights).toEqual({ primary: 100, canary: 0 });
        expect((await visit('sid=abcdefghij')).weights).toEqual({ primary: 0, canary: 100 });
        const newcomer = await visit('theme=dark');
        expect(newcomer.weights).toEqual({ primary: 50, canary: 50 });
        expect(newcomer.sets.primary).toBe('pid=zyxwvutsrq; Max-Age=10');
        expect(newcomer.sets.canary).toMatch(/^sid=abcdefghij; /);
        expect(await router.getWeights(canary)).toEqual({ primary: 50, canary: 50 });
        expect(await router.drift(canary)).toEqual([]);
      });
    }
  });
}

export function takeoverContract(create: CreateRouter, world: CreateWorld): void {
  describe('BC-31: a route that was there before', () => {
    const existing = async () => {
      const { deps, takeover, split, ...rest } = await world();
      return { ...rest, ...split!, ...takeover!, router: create(deps) };
    };

    it('is replaced with a remark that names what it loses, and only once', async () => {
      const { router, canary, plant, dropped, tamper } = await existing();
      await plant();
      expect(await router.getWeights(canary)).toBeUndefined();
      const remarks = await router.ensure(canary, start);
      expect(remarks).toHaveLength(1);
      for (const text of dropped) expect(remarks[0]).toContain(text);
      expect(await router.getWeights(canary)).toEqual(start);
      expect(await router.ensure(canary, start)).toEqual([]);
      await tamper();
      expect(await router.ensure(canary, start)).toEqual([]);
    });

    it('is given back when asked, whatever happened since, and only once', async () => {
      const { router, canary, edited, plant, route, tamper } = await existing();
      await plant();
      const before = (await route())!;
      await router.ensure(canary, start);
      await tamper();
      await router.ensure(edited!, { primary: 90, canary: 10 });
      await router.revert(canary);
      const after = (await route())!;
      expect(after.spec).toEqual(before.spec);
      await router.revert(canary);
      expect(await route()).toEqual(after);
    });

    it('stays when the Canary goes', async () => {
      const { router, canary, plant, route } = await existing();
      await plant();
      await router.ensure(canary, start);
      expect((await route())!.metadata.ownerReferences).toBeUndefined();
    });
  });
}

/** The rule that a user with these cookies meets. */
function met(rules: readonly CookieRule[], cookies: string): CookieRule {
  const asksFor = (pattern: string) => new RegExp(`^(?:${pattern})$`).test(cookies);
  return rules.find(({ cookie }) => cookie === undefined || asksFor(cookie))!;
}
