import { useState } from "react";

export function Login({ logIn }) {
  const [text, setText] = useState("");
  const token = text.trim();
  // A token has only characters that a header can carry. Other characters are a mistake in copying.
  const isWrong = /[^\x21-\x7e]/.test(token);
  const submit = (event) => {
    event.preventDefault();
    if (token && !isWrong) logIn(token);
  };
  return (
    <main className="login">
      <form onSubmit={submit}>
        <h1>Log in</h1>
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
          aria-invalid={isWrong}
          aria-describedby="token-help"
          required
        />
        <p id="token-help" className={isWrong ? "bad" : "quiet"}>
          {isWrong ? (
            "A token has no spaces. Copy the whole token, and nothing else."
          ) : (
            <>
              With a local stack, <code>oasis token mint --sub you --for 1h</code> prints a token.
            </>
          )}
        </p>
        <button type="submit">Log in</button>
      </form>
    </main>
  );
}
