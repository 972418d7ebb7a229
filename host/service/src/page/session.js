// Who is signed in. The token stays in this tab, and is gone when it is closed.

const KEY = 'lockgate-token';
let me = null;

/** The token, or null. */
export const token = () => sessionStorage.getItem(KEY);

/** Keeps a token for as long as the tab is open. */
export const keepToken = (text) => sessionStorage.setItem(KEY, text);

/** Forgets who was signed in. */
export function forget() {
  sessionStorage.removeItem(KEY);
  me = null;
}

/** Remembers what the service said of the user. */
export function is(user) {
  me = user;
}

/** Name and roles of the user; null before the sign-in. */
export const user = () => me;

/** Whether the user has one of these roles. What is not allowed is not offered; the service decides all the same. */
export const may = (...roles) => Boolean(me) && roles.some((role) => me.roles.includes(role));
