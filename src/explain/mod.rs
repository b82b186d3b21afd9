//! From a text that somebody saw to its causes: which entries of the catalogue print it, most likely first.
