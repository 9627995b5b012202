// Connects while a user is logged in.

import { EventToast, SSEProvider } from "@oasis-devhub/react";
import { useState } from "react";
import { Dashboard } from "./Dashboard.jsx";
import { Login } from "./Login.jsx";
import { endSession, readSession, startSession } from "./session.js";
import { GATEWAY_URL, MAX_EVENTS } from "./settings.js";
import { isOnItsWay } from "./status.js";

// While a resource is on its way to another status, there is nothing to tell the user yet.
const isNews = ({ data }) => !isOnItsWay(data.status);

export function App() {
  const [session, setSession] = useState(readSession);
  const logOut = () => {
    endSession();
    setSession(null);
  };
  if (!session) return <Login logIn={(token) => setSession(startSession(token))} />;
  // The provider feeds the store, from which the toasts and the metrics read. Without a token, or when it
  // unmounts, it closes the connection.
  return (
    <SSEProvider url={GATEWAY_URL} token={session.token} since={session.since} maxEvents={MAX_EVENTS}>
      <Dashboard session={session} logOut={logOut} />
      <EventToast max={3} filter={isNews} />
    </SSEProvider>
  );
}
