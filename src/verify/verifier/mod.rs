//! The same chain and name as other programs judge them: one file for each verifier, with its documented rules.
