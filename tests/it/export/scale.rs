//! Many endpoints in bounded memory.
