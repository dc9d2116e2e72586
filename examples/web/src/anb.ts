/** The pure engine of the JavaScript package: the page has no arithmetic of its own. */
export * from "../../js/src/pure";
