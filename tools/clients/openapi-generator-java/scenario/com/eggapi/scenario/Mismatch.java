package com.eggapi.scenario;

/** An answer that is not what the contract says. */
final class Mismatch extends RuntimeException {
  private static final long serialVersionUID = 1;

  Mismatch(String what) {
    super(what);
  }
}
