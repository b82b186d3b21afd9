//! What must hold in a PKI directory whenever no command is running.
