//! The lab: measures the three servers on the reader's own machine, beside
//! what others write in the same model and beside what the kernel itself
//! takes. The servers are run as programs; nothing of their code is used.

pub mod catalogue;
pub mod compare;
pub mod growth;
pub mod load;
pub mod machine;
pub mod measure;
pub mod peer;
pub mod plot;
pub mod procfs;
pub mod program;
pub mod rows;
pub mod stats;
pub mod table;
pub mod text;
