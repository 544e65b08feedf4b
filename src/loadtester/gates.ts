/** Doors that people open and close and that confirm and rollback hooks ask about. Kept in memory: a restart closes all. */
export interface Gates {
  /** A gate nobody has touched is closed. */
  isOpen(gate: string): boolean;
  open(gate: string): void;
  close(gate: string): void;
}

/** The gate that `confirm-*` hooks of a Canary ask. */
export function gateOf(canary: { readonly name: string; readonly namespace: string }): string {
  return `${canary.name}.${canary.namespace}`;
}

/** The gate that `rollback` hooks of a Canary ask: open means roll back. */
export function rollbackGateOf(canary: { readonly name: string; readonly namespace: string }): string {
  return `rollback.${gateOf(canary)}`;
}

/** Gates, all closed. Only open ones take memory. */
export function createGates(): Gates {
  const opened = new Set<string>();
  return {
    isOpen: (gate) => opened.has(gate),
    open: (gate) => void opened.add(gate),
    close: (gate) => void opened.delete(gate),
  };
}
