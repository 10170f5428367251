//! The field numbers of well-known types that each text has a form of its own for.

/// Of `google.protobuf.Value`.
pub(super) mod value {
    pub(in crate::codec) const NULL: u32 = 1;
    pub(in crate::codec) const NUMBER: u32 = 2;
    pub(in crate::codec) const STRING: u32 = 3;
    pub(in crate::codec) const BOOL: u32 = 4;
    pub(in crate::codec) const STRUCT: u32 = 5;
    pub(in crate::codec) const LIST: u32 = 6;
}

/// Of `google.protobuf.Any`.
pub(super) mod any {
    pub(in crate::codec) const TYPE_URL: u32 = 1;
    pub(in crate::codec) const VALUE: u32 = 2;
}
