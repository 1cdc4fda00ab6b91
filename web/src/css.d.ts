// A style as a text: build.mjs makes it one, for parts.

declare module "*.css" {
    const text: string;
    export default text;
}
