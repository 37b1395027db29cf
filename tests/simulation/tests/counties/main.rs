//! Counties in one thread under virtual time: whole ones, and ones in which a rule of the exchange is broken.

mod broken_rules;
mod worlds;
