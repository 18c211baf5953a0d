//! Members: the users who belong to a vault, each with a role.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ids::{User, UserId},
    role::Role,
    time::Timestamp,
};

/// The relation of one user to one vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    pub role: Role,
    /// When the user became a member.
    pub created_at: Timestamp,
}

/// A user together with their membership in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    pub user: User,
    pub membership: Membership,
}

/// A user and their role in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Member)]
pub struct MemberView {
    pub user_id: UserId,
    /// The name, else the email, else the id of the user.
    pub user_name: String,
    #[schema(required)]
    pub email: Option<String>,
    pub role: Role,
    /// When the user became a member.
    pub created_at: Timestamp,
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user.id.clone(),
            user_name: member.user.display_name().to_owned(),
            email: member.user.email.clone(),
            role: member.membership.role,
            created_at: member.membership.created_at,
        }
    }
}
