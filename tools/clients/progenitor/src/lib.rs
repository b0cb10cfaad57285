//! The client that progenitor makes of the contract, and nothing else.
#![deny(warnings)]
// progenitor copies descriptions of several lines into lists without indenting them.
#![allow(clippy::doc_lazy_continuation)]
include!(concat!(env!("OUT_DIR"), "/client.rs"));
