//! The Svix application that an object needs.

use crate::{
    api::{CreateApplications, Reason, SvixConnection},
    plan::ReconcileError,
};

use super::super::{
    context::Context, events::EventReason, host::Host, object::Object, outcome::Error, session::Session,
    waiters::Awaited,
};

/// Makes sure that an application exists, as far as `createApplications` allows.
pub async fn ensure_application<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    connection: &SvixConnection,
    session: &Session,
    application: &str,
) -> Result<(), Error> {
    if session.mirror.application_present(application) {
        return Ok(());
    }
    let _lock = session.lock_application(application).await;
    if session.mirror.application_present(application) {
        return Ok(());
    }
    match connection.spec.create_applications() {
        CreateApplications::IfMissing => {
            session.client.create_application(application).await?;
            session.mirror.put_application(application);
            let message = format!("application {application}");
            ctx.publish(object, EventReason::ApplicationCreated, message);
            Ok(())
        }
        CreateApplications::Never => {
            let awaited = Awaited::Application(application.into());
            ctx.waiters.add(object.connection_name(), awaited, &object.key());
            Err(ReconcileError::at(
                Reason::ApplicationNotFound,
                "/spec/application",
                format_args!(
                    "there is no application {application:?} in Svix, and the connection says \
                     createApplications: Never; create it in Svix, or correct the name"
                ),
            )
            .into())
        }
    }
}

#[cfg(test)]
mod tests;
