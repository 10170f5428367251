//! `users.v1.Users` and `users.v2.Users`: two views of the same users.

use tonic::Request;

use super::Answer;
use crate::demo::errors;
use crate::demo::users_v1;
use crate::demo::users_v2::{
    Contact, GetUserRequest, ListUsersRequest, ListUsersResponse, User, users_server as v2,
};

/// Both services.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Users;

/// All users, by id: what v2 knows of them.
fn users() -> [User; 3] {
    let user = |id: &str, name: &str, phone: &str, segment: &str| User {
        id: id.into(),
        display_name: name.into(),
        contact: Some(Contact { email: format!("{id}@shop.example"), phone: phone.into() }),
        premium: segment != "basic",
        segment: segment.into(),
    };
    [
        user("ada", "Ada Lovelace", "+44 20 7946 0815", "gold"),
        user("bob", "Bob Cratchit", "", "basic"),
        user("eve", "Eve Polastri", "", "silver"),
    ]
}

fn user(id: &str) -> Result<User, tonic::Status> {
    users().into_iter().find(|user| user.id == id).ok_or_else(|| errors::not_found("User", id))
}

/// As v1 tells it.
impl From<User> for users_v1::User {
    fn from(user: User) -> Self {
        let User { id, display_name, contact, premium, segment: _ } = user;
        Self { id, full_name: display_name, email: contact.unwrap_or_default().email, premium }
    }
}

#[tonic::async_trait]
impl users_v1::users_server::Users for Users {
    async fn get_user(&self, request: Request<users_v1::GetUserRequest>) -> Answer<users_v1::User> {
        user(&request.get_ref().id).map(|user| tonic::Response::new(user.into()))
    }

    async fn list_users(
        &self,
        _: Request<users_v1::ListUsersRequest>,
    ) -> Answer<users_v1::ListUsersResponse> {
        let users = users().into_iter().map(users_v1::User::from).collect();
        Ok(tonic::Response::new(users_v1::ListUsersResponse { users }))
    }
}

#[tonic::async_trait]
impl v2::Users for Users {
    async fn get_user(&self, request: Request<GetUserRequest>) -> Answer<User> {
        user(&request.get_ref().id).map(tonic::Response::new)
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Answer<ListUsersResponse> {
        Ok(tonic::Response::new(ListUsersResponse { users: users().into() }))
    }
}
